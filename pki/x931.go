package pki

import (
	"crypto/subtle"
	"fmt"
	"math/big"
)

// The block of tok and of sig in the auth reply: ANSI X9.31 padding around the bare message, without a
// hash identifier (spec: auth §1.3). It is not PKCS#1 type 1.
//
//	6B | BB × (k - len(m) - 3) | BA | m | CC        k bytes, k = length of the modulus
//	6A | m | CC                                     when len(m) = k - 2

func padX931(message []byte, size int) ([]byte, error) {
	if len(message) > size-2 {
		return nil, fmt.Errorf("%d bytes into a block of %d: %w", len(message), size, ErrMessageSize)
	}
	block := make([]byte, size)
	start := size - 1 - len(message)
	if start == 1 {
		block[0] = 0x6A
	} else {
		block[0] = 0x6B
		for i := 1; i < start-1; i++ {
			block[i] = 0xBB
		}
		block[start-1] = 0xBA
	}
	copy(block[start:], message)
	block[size-1] = 0xCC
	return block, nil
}

// unpadX931 returns the message inside a block, or ErrSignature.
func unpadX931(block []byte) ([]byte, error) {
	size := len(block)
	if size < 3 || block[size-1] != 0xCC {
		return nil, ErrSignature
	}
	switch block[0] {
	case 0x6A:
		return block[1 : size-1], nil
	case 0x6B:
		i := 1
		for i < size-1 && block[i] == 0xBB {
			i++
		}
		// At least one BB is required and the run must end in BA; stock recovers no empty message.
		if i == 1 || i >= size-2 || block[i] != 0xBA {
			return nil, ErrSignature
		}
		return block[i+1 : size-1], nil
	}
	return nil, ErrSignature
}

// smallerX931 returns the smaller of s and n-s, in the length of the modulus. s is overwritten.
func smallerX931(n *big.Int, s []byte) []byte {
	value := new(big.Int).SetBytes(s)
	other := new(big.Int).Sub(n, value)
	if other.Cmp(value) < 0 {
		return other.FillBytes(s)
	}
	return s
}

// recoverX931 undoes both choices of smallerX931 on x = sig^e mod n and unpads.
func recoverX931(n *big.Int, x []byte) ([]byte, error) {
	if x[len(x)-1]&0x0F != 0x0C {
		value := new(big.Int).SetBytes(x)
		value.Sub(n, value)
		value.FillBytes(x)
	}
	return unpadX931(x)
}

// sameBytes compares in constant time; the lengths are not secret.
func sameBytes(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
