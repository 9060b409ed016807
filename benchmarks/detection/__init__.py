"""False alarms, power and attribution of the detection, on simulated models, beside the peers."""
