"""Steps of ``.downscale.fit``, from options and data to a trained `Downscaler`."""
