"""Parts of the page: the tree in the order of the page, thumbnails, shards."""
