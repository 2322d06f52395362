"""The tree as files and as a page: tables, thumbnails, the static site."""
