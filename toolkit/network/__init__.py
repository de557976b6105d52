"""Bitcoin as a machine: difficulty, economics, and the fleet of miners."""
