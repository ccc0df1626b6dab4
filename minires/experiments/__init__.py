"""Experiments, each in a package with its configuration, run, figure and report."""
