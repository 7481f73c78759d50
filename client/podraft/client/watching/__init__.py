"""The tools of a controller: live copies of kinds, a queue of keys, a leader, Events."""
