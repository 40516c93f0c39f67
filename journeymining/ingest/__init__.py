"""Source records become events: connector specs, readers, mapping, and what was rejected."""
