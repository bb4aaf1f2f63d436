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

    /// <summary>In the algorithm's own form: PKCS #1, SEC 1. Whoever gets it wipes it out.</summary>
    public byte[] Encode() => OpenSsl.Encode(this);

    protected override bool ReleaseHandle()
    {
        OpenSsl.FreeKey(handle);
        return true;
    }

    /// <summary>Else the library would ask at the terminal.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int HasNoPassphrase(byte* into, int bytes, int isForWriting, nint argument) => -1;
}
