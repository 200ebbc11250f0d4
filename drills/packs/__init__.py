"""What is broken, asked for and checked of a component, by the component's name, whichever stack it is in."""
