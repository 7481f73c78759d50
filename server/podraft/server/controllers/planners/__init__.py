"""The deciding halves of the controllers: ``plan(snapshot, key, now) -> Plan``.

Each is a pure function of its arguments and knows no other planner.  Called again with
an unchanged snapshot it returns the same plan, so nothing is lost when a plan is not
carried out; a plan without writes means that its key has converged for now.
"""
