"""Mutation testing of the pure cores: does a test fail for each small mistake in them?"""
