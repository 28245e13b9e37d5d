"""Anybody's files as datasets: data frames (`tables`), CSV (`csv_files`), the original's release (`release`)."""
