"""Where workers get their addresses from, and what they may reach."""
