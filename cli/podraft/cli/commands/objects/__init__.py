"""Commands about objects of any kind."""
