"""What a controller needs: live copies of kinds, a queue of keys, a leader, Events."""
