"""What goes on in this process whoever looks: trainings, generations, opened runs."""
