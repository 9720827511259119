// Command log-verifier checks a vaern log without a line of vaern's code.
//
//	log-verifier -log DIR -key VKEY [-witness VKEY]... [-floor FILE] [-proof FILE]
//
// It reads what may be published (checkpoint and tile/) with Go's golang.org/x/mod/sumdb, which others wrote for another log:
// the checkpoint's signature (note), the tree over all leaves against the signed root and against every tile (tlog), the
// inclusion of leaves, and the consistency of earlier sizes. Exit status 0: all of it holds. 1: it does not, with the index.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A tile holds 2^8 hashes.
const height = 8

type keys []string

func (k *keys) String() string     { return strings.Join(*k, ",") }
func (k *keys) Set(s string) error { *k = append(*k, s); return nil }

func main() {
	var witnesses keys
	dir := flag.String("log", "", "directory of the log")
	key := flag.String("key", "", "verifier key of the log: the key itself, or a file that holds it")
	floor := flag.String("floor", "", "file with the floor of an earlier visit")
	proof := flag.String("proof", "", "file with the proof of one leaf (c2sp.org/tlog-proof@v1)")
	flag.Var(&witnesses, "witness", "verifier key of a witness whose cosignature must be there; may be given several times")
	flag.Parse()
	if err := run(*dir, *key, *floor, *proof, witnesses); err != nil {
		fmt.Fprintln(os.Stderr, "log-verifier:", err)
		os.Exit(1)
	}
}

func run(dir, key, floor, proof string, witnesses []string) error {
	if text, err := os.ReadFile(key); err == nil {
		key = strings.TrimSpace(string(text))
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if proof != "" {
		return checkProof(proof, verifier)
	}
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, opened, err := checkpoint(text, verifier, witnesses)
	if err != nil {
		return err
	}
	all, err := leaves(dir, tree)
	if err != nil {
		return err
	}
	if floor != "" {
		if err := above(floor, tree, all); err != nil {
			return err
		}
	}
	fmt.Printf("ok: %s, %d leaves, root %s, %d cosignatures\n", verifier.Name(), tree.N, tree.Hash, opened)
	return nil
}

// checkpoint checks the signature of the log and the cosignatures of the witnesses, then reads size and root.
func checkpoint(text []byte, log note.Verifier, witnesses []string) (tlog.Tree, int, error) {
	known := []note.Verifier{log}
	for _, key := range witnesses {
		w, err := newWitness(key)
		if err != nil {
			return tlog.Tree{}, 0, err
		}
		known = append(known, w)
	}
	n, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		return tlog.Tree{}, 0, fmt.Errorf("checkpoint: %w", err)
	}
	signed := map[string]bool{}
	for _, sig := range n.Sigs {
		signed[sig.Name] = true
	}
	for _, v := range known {
		if !signed[v.Name()] {
			return tlog.Tree{}, 0, fmt.Errorf("checkpoint: no signature by %s", v.Name())
		}
	}
	tree, err := parseTree(n.Text, log.Name())
	return tree, len(n.Sigs) - 1, err
}

func parseTree(text, origin string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != origin {
		return tlog.Tree{}, errors.New("checkpoint: not three lines of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("checkpoint: size")
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

// files reads from where C2SP puts things; x/mod's own paths carry the height of the tile as well.
type files struct{ dir string }

func number(n int64) string {
	name := fmt.Sprintf("%03d", n%1000)
	for rest := n / 1000; rest > 0; rest /= 1000 {
		name = fmt.Sprintf("x%03d/%s", rest%1000, name)
	}
	return name
}

// read reads a partial file, or the full one that took its place and begins with the same bytes.
func (f files) read(kind string, n int64, width int) ([]byte, error) {
	full := filepath.Join(f.dir, "tile", kind, number(n))
	bytes, err := os.ReadFile(full)
	if width < 1<<height && err != nil {
		bytes, err = os.ReadFile(filepath.Join(full+".p", strconv.Itoa(width)))
	}
	return bytes, err
}

// tile reads a hash tile.
func (f files) tile(t tlog.Tile) ([]byte, error) {
	bytes, err := f.read(strconv.Itoa(t.L), t.N, t.W)
	if err != nil {
		return nil, err
	}
	if len(bytes) < t.W*tlog.HashSize {
		return nil, fmt.Errorf("tile %d/%s is cut off", t.L, number(t.N))
	}
	return bytes[:t.W*tlog.HashSize], nil
}

// stored holds every hash of the tree, computed from the leaves alone. x/mod can also read hashes out of tiles, but in the
// version that Debian has (0.7.0) it does not hold every tile against its parent, so nothing here rests on that.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, i := range indexes {
		if i < 0 || i >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d", i)
		}
		all = append(all, s[i])
	}
	return all, nil
}

// leaves computes the tree from its leaves, holds it against the signed root and against every tile, and proves each leaf, and
// that the tree grew from each earlier size.
func leaves(dir string, tree tlog.Tree) (stored, error) {
	if tree.N == 0 {
		if tree.Hash != sha256.Sum256(nil) {
			return nil, errors.New("the root of a log without leaves")
		}
		return nil, nil
	}
	var all stored
	var records []tlog.Hash
	for n := int64(0); n*256 < tree.N; n++ {
		width := int(min(tree.N-n*256, 256))
		bundle, err := files{dir}.read("entries", n, width)
		if err != nil {
			return nil, err
		}
		for i := 0; i < width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("entry bundle %d is cut off at leaf %d", n, n*256+int64(i))
			}
			size := int(binary.BigEndian.Uint16(bundle))
			hash := tlog.RecordHash(bundle[2 : 2+size])
			bundle = bundle[2+size:]
			above, err := tlog.StoredHashesForRecordHash(int64(len(records)), hash, all)
			if err != nil {
				return nil, err
			}
			records = append(records, hash)
			all = append(all, above...)
		}
	}
	root, err := tlog.TreeHash(tree.N, all)
	if err != nil {
		return nil, err
	}
	if root != tree.Hash {
		return nil, culprit(dir, tree, records)
	}
	for _, t := range tlog.NewTiles(height, 0, tree.N) {
		// Every width that a growing tile had is listed; what must be there is the last.
		if last := tree.N>>(height*t.L) - t.N<<height; t.W < 1<<height && int64(t.W) != last {
			continue
		}
		there, err := files{dir}.tile(t)
		if err != nil {
			return nil, err
		}
		computed, err := tlog.ReadTileData(t, all)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(there, computed) {
			return nil, fmt.Errorf("tile %d/%s does not follow from the leaves", t.L, number(t.N))
		}
	}
	// Proofs cost reads, so in a large log only some of them are made.
	step := max(1, tree.N/256)
	for i := int64(0); i < tree.N; i += step {
		p, err := tlog.ProveRecord(tree.N, i, all)
		if err != nil {
			return nil, fmt.Errorf("leaf %d: %w", i, err)
		}
		if err := tlog.CheckRecord(p, tree.N, tree.Hash, i, records[i]); err != nil {
			return nil, fmt.Errorf("leaf %d: %w", i, err)
		}
		old, err := tlog.TreeHash(i+1, all)
		if err != nil {
			return nil, err
		}
		growth, err := tlog.ProveTree(tree.N, i+1, all)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckTree(growth, tree.N, tree.Hash, i+1, old); err != nil {
			return nil, fmt.Errorf("growth from %d: %w", i+1, err)
		}
	}
	return all, nil
}

// culprit names the first leaf that its tile does not hold; if there is none, the tiles were changed with the leaves.
func culprit(dir string, tree tlog.Tree, records []tlog.Hash) error {
	for n := int64(0); n*256 < tree.N; n++ {
		width := int(min(tree.N-n*256, 256))
		there, err := files{dir}.tile(tlog.Tile{H: height, L: 0, N: n, W: width})
		if err != nil {
			return err
		}
		for i := 0; i < width; i++ {
			at := n*256 + int64(i)
			if !bytes.Equal(there[i*tlog.HashSize:(i+1)*tlog.HashSize], records[at][:]) {
				return fmt.Errorf("leaf %d is not the one that the log was built over", at)
			}
		}
	}
	return errors.New("the leaves do not give the signed root")
}

// above checks that the log contains what was seen on an earlier visit.
func above(file string, tree tlog.Tree, all stored) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var size int64
	var root string
	if _, err := fmt.Sscanf(string(text), "vaern-log-floor 1 %d %s\n", &size, &root); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	hash, err := tlog.ParseHash(root)
	if err != nil {
		return err
	}
	if size > tree.N {
		return fmt.Errorf("a log of %d leaves was seen before, one of %d is offered", size, tree.N)
	}
	if size == 0 {
		return nil
	}
	old, err := tlog.TreeHash(size, all)
	if err != nil {
		return err
	}
	if old != hash {
		return fmt.Errorf("the first %d leaves are not the ones that were seen before", size)
	}
	return nil
}

// checkProof checks the proof of one leaf with nothing but the log's key. Salt and record stand in its extra line.
func checkProof(file string, log note.Verifier) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return errors.New("not a proof")
	}
	tree, _, err := checkpoint(rest, log, nil)
	if err != nil {
		return err
	}
	opening, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var p tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		p = append(p, hash)
	}
	commitment := sha256.Sum256(opening)
	if err := tlog.CheckRecord(p, tree.N, tree.Hash, index, tlog.RecordHash(commitment[:])); err != nil {
		return err
	}
	fmt.Printf("ok: leaf %d of %d says %s\n", index, tree.N, opening[32:])
	return nil
}

// witness checks cosignatures (C2SP tlog-cosignature, version 1), which x/mod does not know.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(w.key, []byte(signed), sig[8:])
}

func newWitness(text string) (note.Verifier, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("witness: not a verifier key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, errors.New("witness: not a cosigner's key")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return witness{parts[0], binary.BigEndian.Uint32(sum[:]), ed25519.PublicKey(key[1:])}, nil
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}
