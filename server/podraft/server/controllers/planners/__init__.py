"""The controllers, a room for each: ``plan`` decides, ``controller`` declares the triggers.

``plan(snapshot, key, now) -> Plan`` is a pure function of its arguments and knows no other
controller.  Called again with an unchanged snapshot it returns the same plan, so nothing is lost
when a plan is not carried out; a plan without writes means that its key has converged for now.
"""
