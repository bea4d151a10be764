"""Charts and bars as inline SVG."""
