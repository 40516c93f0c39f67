"""One customer across channels: keys, stitching, and how sure we are."""
