"""What customers said, on the journeys they said it about."""
