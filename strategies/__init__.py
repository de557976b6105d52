"""Shipped strategies: one small module and one experiment file each."""
