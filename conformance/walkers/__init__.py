"""Readers of formats, written for the judges and sharing no code with packorigin. Standard library only."""
