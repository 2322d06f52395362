"""What happens to a run when machines die, disks fill and ranks dawdle: ``make faults``."""
