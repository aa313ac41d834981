"""A generated network of clinics: people, towns, schedules, and the life that goes on in them."""
