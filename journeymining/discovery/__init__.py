"""What journeys look like: directly-follows, variants, touchpoints, channel switches, process models."""
