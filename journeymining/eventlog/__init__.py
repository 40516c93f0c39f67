"""What an event log is: its schema, the one way in, its checks and its files."""
