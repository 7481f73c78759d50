"""What descriptions are built from: aligned pairs, tables, containers, conditions, events."""
