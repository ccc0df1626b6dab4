"""What the commands run: experiments on small nets, and checks of the gradients."""
