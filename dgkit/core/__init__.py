"""DoppelGANger itself, to be read from top to bottom in one sitting.

config: the settings. networks: generators and discriminators. losses: what they are trained by. encode: datasets as
tensors. model: what was trained. optimise: Adam's step and averages. clipping, accounting: differential privacy.
history: what training measures. checkpoint: to go on later. keep: models kept on the way. trainer: the loop.
"""
