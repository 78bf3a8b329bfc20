"""Tools for the repository: the environment, and pages and pictures generated from the code."""
