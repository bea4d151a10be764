"""Language packs: changes that are right in one language only, as data files `<code>.toml`."""
