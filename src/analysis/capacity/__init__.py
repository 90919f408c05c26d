"""Capacity: measured experiments, scalability laws, and a model that must prove itself first.

plan            which experiments a sweep makes, as scenario texts
measure         one run directory into rows of the sweep
store           the sweep folder: its tables, written and read
usl             Universal Scalability Law with confidence intervals
queueing        Little's law and the law of utilisation
model           a discrete-event model, calibrated from spans and validated on held-out loads
effects         factor by factor: difference and interval over interleaved repetitions
counterfactual  earlier mitigation, and whether goodput returns when the trigger is gone
answers         the report's questions, answered in words only as far as the data go
"""
