"""Anybody's files as datasets: data frames (`tables`), CSV (`csv_files`), the original's release (`release`).

`together` reads several tables to one schema, to compare them.
"""
