"""Whether the budget of false alarms is kept on simulated traffic in which nothing drifts."""
