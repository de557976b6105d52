"""Sources of data, and how they become one panel."""
