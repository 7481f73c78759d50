"""The output of the commands: tables, documents, descriptions, colour, live progress.

All of it but `printing` and `progress` is pure: text from objects and the time.
"""
