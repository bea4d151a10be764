"""What letters are: scripts, languages, and folding of letters that read alike."""
