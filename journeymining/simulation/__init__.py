"""Raw logs of a made-up company with planted truths, from a seed."""
