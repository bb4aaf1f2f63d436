using System.Formats.Asn1;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Bitflow.Net.Tls;

/// <summary>A private key as the TLS library has it (`EVP_PKEY`).</summary>
internal sealed unsafe class LibraryKey : SafeHandleZeroOrMinusOneIsInvalid
{
    private const int RsaKey = 6;
    private const int EcKey = 408;

    private LibraryKey(nint key)
        : base(ownsHandle: true) => SetHandle(key);

    public CertificateKey Kind => OpenSsl.KindOf(this) switch
    {
        RsaKey => CertificateKey.Rsa,
        EcKey => CertificateKey.EllipticCurve,
        _ => CertificateKey.Other,
    };

    /// <summary>The first key in it: PKCS #8 or traditional.</summary>
    /// <param name="text">In PEM.</param>
    /// <exception cref="CryptographicException">It cannot be read.</exception>
    public static LibraryKey Read(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        nint key;
        fixed (byte* begin = bytes)
        {
            nint bio = OpenSsl.NewMemoryBio(begin, bytes.Length);
            key = bio == 0 ? 0 : OpenSsl.ReadKey(bio, 0, &HasNoPassphrase, 0);
            _ = OpenSsl.FreeBio(bio);
        }

        CryptographicOperations.ZeroMemory(bytes);
        return key != 0 ? new LibraryKey(key) : throw new CryptographicException(OpenSsl.TakeError());
    }

    /// <exception cref="CryptographicException">It is another's.</exception>
    public void DemandOf(EncodedCertificate certificate)
    {
        if (!OpenSsl.IsKeyOf(certificate.Encoded.Span, this))
            throw new CryptographicException(OpenSsl.TakeError());
    }

    /// <summary>
    /// Whether its private half goes with its public one: of a damaged key the other end alone would hear, in every handshake. Of a key for anything but RSA and curves nobody asks.
    /// </summary>
    public bool IsWhole() => Kind == CertificateKey.Rsa ? IsConsistent() : OpenSsl.IsPair(this);

    /// <summary>In the algorithm's own form: PKCS #1, SEC 1. Whoever gets it wipes it out.</summary>
    public byte[] Encode() => OpenSsl.Encode(this);

    protected override bool ReleaseHandle()
    {
        OpenSsl.FreeKey(handle);
        return true;
    }

    /// <summary>An RSA key, by what its parts must be to each other (RFC 8017 sections 3.2 and A.1.2), but for whether the factors are primes.</summary>
    private bool IsConsistent()
    {
        byte[] encoded = Encode();
        try
        {
            AsnReader parts = new AsnReader(encoded, AsnEncodingRules.DER).ReadSequence();
            _ = parts.ReadInteger();
            BigInteger modulus = parts.ReadInteger(), open = parts.ReadInteger(), secret = parts.ReadInteger();
            BigInteger one = parts.ReadInteger(), other = parts.ReadInteger();
            BigInteger secretOfOne = parts.ReadInteger(), secretOfOther = parts.ReadInteger(), inverse = parts.ReadInteger();
            return one > 1 && other > 1
                && modulus == one * other * FurtherFactors(parts)
                && (open * secret - 1) % (one - 1) == 0 && secretOfOne == secret % (one - 1)
                && (open * secret - 1) % (other - 1) == 0 && secretOfOther == secret % (other - 1)
                && (inverse * other - 1) % one == 0;
        }
        catch (AsnContentException)
        {
            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(encoded);
        }
    }

    private static BigInteger FurtherFactors(AsnReader parts)
    {
        BigInteger product = 1;
        for (AsnReader? all = parts.HasData ? parts.ReadSequence() : null; all is { HasData: true };)
            product *= all.ReadSequence().ReadInteger();
        return product;
    }

    /// <summary>Else the library would ask at the terminal.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int HasNoPassphrase(byte* into, int bytes, int isForWriting, nint argument) => -1;
}
