# A template: `ci/formula.sh` puts in the version and the checksums. OWNER is the owner of this repository.
class Qcops < Formula
  desc "GitOps for QuantConnect agents"
  homepage "https://github.com/OWNER/qcops"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "https://github.com/OWNER/qcops/releases/download/v@VERSION@/qcops-@VERSION@-aarch64-apple-darwin.tar.gz"
      sha256 "@aarch64-apple-darwin@"
    end
    on_intel do
      url "https://github.com/OWNER/qcops/releases/download/v@VERSION@/qcops-@VERSION@-x86_64-apple-darwin.tar.gz"
      sha256 "@x86_64-apple-darwin@"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/OWNER/qcops/releases/download/v@VERSION@/qcops-@VERSION@-aarch64-unknown-linux-musl.tar.gz"
      sha256 "@aarch64-unknown-linux-musl@"
    end
    on_intel do
      url "https://github.com/OWNER/qcops/releases/download/v@VERSION@/qcops-@VERSION@-x86_64-unknown-linux-musl.tar.gz"
      sha256 "@x86_64-unknown-linux-musl@"
    end
  end

  def install
    bin.install "qcops"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/qcops.bash" => "qcops"
    zsh_completion.install "completions/_qcops"
    fish_completion.install "completions/qcops.fish"
    doc.install "THIRD-PARTY.txt"
  end

  test do
    assert_match "qcops #{version}", shell_output("#{bin}/qcops --version")
  end
end
