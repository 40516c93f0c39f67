"""Events become journeys: touchpoint rules, phases, cutting, filters."""
