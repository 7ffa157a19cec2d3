# A heap that grows, shrinks and grows again, and between its breaths a file that is read anew.
use strict;
use warnings;
for my $mib (8, 24, 4, 16, 2) {
	my @heap = map { 'x' x (1 << 20) } 1 .. $mib;
	open my $file, '<', $ARGV[0] or die "$ARGV[0]: $!";
	my $sum = 0;
	while (sysread $file, my $piece, 32768) {
		$sum += length $piece;
	}
	close $file;
}
