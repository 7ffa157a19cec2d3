# The build of the truth case "build": six objects and a library.
objects := f1.o f2.o f3.o f4.o f5.o f6.o
libf.a: $(objects)
	ar rcs $@ $^
%.o: %.c
	gcc -O1 -c $< -o $@
