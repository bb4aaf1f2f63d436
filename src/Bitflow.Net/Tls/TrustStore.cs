using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Microsoft.Win32.SafeHandles;

namespace Bitflow.Net.Tls;

/// <summary>
/// Authorities as the TLS library keeps them (`X509_STORE`), and its verification of chains against them (X509_verify_cert(3)). All loops use it at once.
/// Nothing is ever fetched, nor read from a file.
/// </summary>
internal sealed unsafe class TrustStore : SafeHandleZeroOrMinusOneIsInvalid
{
    /// <param name="authorities">Any of them decides, wherever it stands in a chain: an intermediate alone may be the anchor.</param>
    /// <exception cref="CryptographicException">There is no memory.</exception>
    public TrustStore(IEnumerable<EncodedCertificate> authorities)
        : base(ownsHandle: true)
    {
        SetHandle(OpenSsl.NewStore());
        bool isMade = !IsInvalid && OpenSsl.SetStoreFlags(this, OpenSsl.PartialChain) == 1;
        foreach (EncodedCertificate authority in authorities)
            isMade = isMade && OpenSsl.AddToStore(this, authority.Encoded.Span) == 1;
        if (!isMade)
            throw new CryptographicException($"the TLS library refuses an authority: {OpenSsl.TakeError()}");
    }

    /// <summary>Verifies a chain, and finds all that is wrong with it.</summary>
    /// <param name="shown">What the peer showed.</param>
    /// <param name="usage">What it is to be used for: <see cref="OpenSsl.ServerUse"/> or <see cref="OpenSsl.ClientUse"/>.</param>
    /// <param name="isForName">Whether it is for the name that was dialled.</param>
    public PeerFinding Verify(ShownChain shown, uint usage, bool isForName)
    {
        var noted = default(Noted);
        bool isForUse = true;
        (int Error, string Words, string Issuer)[] told;
        nint verification = OpenSsl.NewVerification();
        if (verification != 0 && OpenSsl.BeginVerification(verification, this, shown.Leaf, shown.Sent) == 1 && OpenSsl.SetVerificationData(verification, 0, &noted) == 1)
        {
            OpenSsl.SetVerificationCallback(verification, &Note);
            OpenSsl.SetSecurityLevel(OpenSsl.VerificationParameters(verification), OpenSslContext.SecurityLevel);
            if (OpenSsl.Verify(verification) != 1)
                noted.Add(OpenSsl.VerificationError(verification), OpenSsl.VerificationDepth(verification));
            isForUse = IsForUse(OpenSsl.VerifiedChain(verification), usage, ref noted);
            told = noted.Told(OpenSsl.VerifiedChain(verification));
        }
        else
        {
            noted.Add(OpenSsl.UnspecifiedError, depth: 0);
            told = noted.Told(chain: 0);
        }

        OpenSsl.FreeVerification(verification);

        // What was recorded on the way would be taken for the handshake's.
        OpenSsl.ClearErrors();
        GC.KeepAlive(this);
        return PeerFindingModule.OfVerification(isForName, isForUse, told);
    }

    protected override bool ReleaseHandle()
    {
        OpenSsl.FreeStore(handle);
        return true;
    }

    /// <summary>By its extended key usage and those of its issuers (RFC 5280 section 4.2.1.12), where they have one.</summary>
    private static bool IsForUse(nint chain, uint usage, ref Noted noted)
    {
        bool isForUse = true;
        for (int i = 0; i < OpenSsl.StackCount(chain); i++)
        {
            nint certificate = OpenSsl.StackItem(chain, i);

            // Of one with an extension that cannot be read nobody knows what it may be used for.
            if ((OpenSsl.ExtensionFlags(certificate) & OpenSsl.ExtensionsInvalid) != 0)
                noted.Add(OpenSsl.InvalidExtension, depth: i);
            else
                isForUse &= (OpenSsl.ExtendedUse(certificate) & (usage | OpenSsl.AnyUse)) != 0;
        }

        return isForUse;
    }

    /// <summary>For the library: it finds a fault, and mostly goes on as if it had found none, so that all are told.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Note(int isFine, nint verification)
    {
        if (isFine != 0)
            return 1;
        int error = OpenSsl.VerificationError(verification);
        ((Noted*)OpenSsl.VerificationData(verification, 0))->Add(error, OpenSsl.VerificationDepth(verification));
        return PeerFindingModule.EndsVerification(error) ? 0 : 1;
    }

    /// <summary>The first faults of a verification, each once. One is enough to be refused.</summary>
    private struct Noted
    {
        private const int Most = 8;
        private fixed int _errors[Most];
        private fixed int _depths[Most];
        private int _count;

        /// <param name="error">The library's number.</param>
        /// <param name="depth">Of which certificate of the chain it is.</param>
        public void Add(int error, int depth)
        {
            // A verification that failed without saying why has failed.
            int told = error == 0 ? OpenSsl.UnspecifiedError : error;
            for (int i = 0; i < _count; i++)
            {
                if (_errors[i] == told && _depths[i] == depth)
                    return;
            }

            if (_count == Most)
                return;
            _depths[_count] = depth;
            _errors[_count++] = told;
        }

        /// <param name="chain">What was verified; 0 for nothing.</param>
        public readonly (int Error, string Words, string Issuer)[] Told(nint chain)
        {
            var told = new (int, string, string)[_count];
            for (int i = 0; i < _count; i++)
            {
                bool isIssuers = _depths[i] > 0 && _depths[i] < OpenSsl.StackCount(chain);
                string issuer = isIssuers ? CertificateNames.Subject(new X500DistinguishedName(OpenSsl.EncodeSubject(OpenSsl.StackItem(chain, _depths[i])))) : "";
                told[i] = (_errors[i], OpenSsl.VerificationWords(_errors[i]), issuer);
            }

            return told;
        }
    }
}
