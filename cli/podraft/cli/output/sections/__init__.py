"""The parts of descriptions: aligned pairs, tables, containers, conditions, events."""
