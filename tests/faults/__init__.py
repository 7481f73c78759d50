"""Real servers, real processes, disks and links, disturbed by a seeded plan; see ``__main__``.

Owns: the plan (``plan``), the disturbed world (``world``), the clients (``workload``), what must be
true of everything that they were told (``checks``).
"""
