"""NumPy arrays whose calls are kept, so that they can be made again in the same memory.

array.py has the array that sees its calls, with what it does with which functions in functions.py
and again.py; recorder.py keeps them; arena.py is the memory; state.py is what a function finds in
tensors and leaves in them.
"""
