"""The search for the highest rate that an execution's target sustains: its stages and their results."""
