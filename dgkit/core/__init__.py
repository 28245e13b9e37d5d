"""DoppelGANger itself, to be read from top to bottom in one sitting.

config: the settings. networks: generators and discriminators. losses: what they are trained by. encode: datasets as
tensors. model: what is trained. optimise: Adam's step and averages. history: what training measures. checkpoint: to go
on later. trainer: the loop.

Beside it: given: attributes that a model is to generate for. batches: what is drawn at random. on_disk: data larger
than memory. clipping, accounting: differential privacy. fit, keep: from the first step to the last, and the models kept
on the way.
"""
