"""Work in the background of this process, independent of any page: trainings, generations, opened runs."""
