"""Source records to events: connectors describe, readers land, mapping makes events of what was landed."""
