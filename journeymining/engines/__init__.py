"""Where analyses run: the log is shuffled once, then every analysis is a kernel on buckets."""
