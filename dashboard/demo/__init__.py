"""An invented conference season: the same every time, with dates relative to today."""
